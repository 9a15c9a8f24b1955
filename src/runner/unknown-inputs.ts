import { nearest } from '../contract/spelling.ts';
import { givenInput, runnerName, shellName } from './inputs.ts';

/**
 * Inputs that the action does not have. GitHub's runner passes them on (and warns in a place that few read), so a
 * misspelt `rto-target` would leave the target at its default without a word. Some runners pass more than the step's own:
 * act, and Gitea's and Forgejo's with it, hand the inputs of a composite action on to every step in it
 * (act, pkg/runner/action_composite.go). There, what has nothing to do with ours is only told. So is what resembles one of
 * ours that the step has given a value as well: who had misspelt it would have left it out. What our own composite action
 * passes on is not told of at all.
 */
export interface UnknownInputs {
  /** Sentences, none with a value: it may be a secret. */
  errors: string[];
  warnings: string[];
  /** Values of what was to be a secret. */
  secrets: string[];
}

export interface UnknownInputsOptions {
  secretInputs?: readonly string[];
  /** What an input of ours is where the step leaves it out; undefined where that is not known. */
  defaultOf?: (name: string) => string | undefined;
  /** Reads the inputs of our composite action: asked only where there are inputs that no action of ours has. */
  nightly?: () => readonly string[];
}

/** Desktops have it (im-config), and a runner or a terminal inherits it. */
const ofTheSystem = ['INPUT_METHOD'];

export function unknownInputsIn(
  env: NodeJS.ProcessEnv,
  known: readonly string[],
  { secretInputs = [], defaultOf = () => undefined, nightly = () => [] }: UnknownInputsOptions = {},
): UnknownInputs {
  const found: UnknownInputs = { errors: [], warnings: [], secrets: [] };
  const ours = new Map(
    known.flatMap((name) => [runnerName(name), shellName(name)].map((each) => [each, name])),
  );
  const passesMore = ['ACT', 'GITEA_ACTIONS', 'FORGEJO_ACTIONS'].some((name) => env[name] === 'true');
  // Where all of its inputs are there, it is the one that calls.
  const isPassedOn = (variable: string) => {
    const outer = nightly().map(runnerName);
    return outer.includes(variable) && outer.every((each) => each in env);
  };
  for (const [variable, value = ''] of Object.entries(env)) {
    if (!variable.startsWith('INPUT_') || ofTheSystem.includes(variable)) continue;
    const name = variable.slice('INPUT_'.length).toLowerCase();
    const same = ours.get(variable);
    if (same !== undefined) {
      // A runner gives the input's own name its default; the other one would go unheard.
      const isHeard = variable === runnerName(same) || givenInput(same, env) === value;
      if (!isHeard) found.errors.push(`input ${name}: is written ${same}`);
      if (!isHeard && secretInputs.includes(same)) found.secrets.push(value);
      continue;
    }
    if (passesMore && isPassedOn(variable)) continue;
    const meant = nearest(name, known);
    if (meant !== undefined && secretInputs.includes(meant)) found.secrets.push(value);
    const hint = meant === undefined ? `there are ${known.join(', ')}` : `is ${meant} meant?`;
    if (!passesMore) found.errors.push(`input ${name}: there is no such input; ${hint}`);
    // What an outer action calls so and has passed on under our name is heard; what is empty says nothing.
    else if (meant !== undefined && value !== '' && value !== givenInput(meant, env)) {
      const says = `input ${name}: there is no such input, and it says something else than ${meant}`;
      if (isGiven(meant, env, defaultOf)) found.warnings.push(`${says}, which counts`);
      else
        found.errors.push(
          `${says}; ${hint} Where it belongs to an outer action, whose inputs this runner passes on, it needs another name there`,
        );
    } else if (meant === undefined)
      found.warnings.push(`input ${name}: there is no such input, and it does nothing here`);
  }
  return found;
}

/** Whether the step itself says what an input is: a value that is the default may come from nobody. */
function isGiven(name: string, env: NodeJS.ProcessEnv, defaultOf: (name: string) => string | undefined) {
  const declared = defaultOf(name);
  const value = givenInput(name, env);
  return declared !== undefined && value !== undefined && value !== '' && value !== declared;
}
