import { alertFormats, evaluated, parseResults, parseWebhook } from '../../src/runner/alert.ts';
import { choice, type InputSpec, textInput } from '../../src/runner/inputs.ts';
import { reportFolderInput } from '../../src/runner/run-action.ts';

/** Whoever knows it may write there: the whole address is a secret. */
const webhook: InputSpec<string> = { parse: parseWebhook, secrets: (given) => [given, given.trim()] };
const token: InputSpec<string> = { parse: evaluated, secrets: (given) => [evaluated(given)] };
const output: InputSpec<string> = { parse: evaluated };

export const inputs = {
  webhook,
  format: choice(alertFormats),
  results: { parse: parseResults } as InputSpec<ReturnType<typeof parseResults>>,
  formation: textInput,
  outcome: output,
  message: output,
  'rto-seconds': output,
  token,
  [reportFolderInput]: textInput,
} as const;

export const outputs = [] as const;
