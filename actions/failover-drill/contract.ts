import * as v from 'valibot';
import { hostsByRole } from '../../src/drill/casualties.ts';
import { type FaultName, faultNames } from '../../src/faults/catalogue.ts';
import { incusName } from '../../src/formation/file/words.ts';
import { commandInput } from '../../src/runner/command-input.ts';
import {
  choice,
  connectionString,
  type InputSpec,
  listOf,
  numberInput,
  optional,
  password,
  secondsInput,
  textInput,
  trueOrFalseInput,
  wholeNumberInput,
} from '../../src/runner/inputs.ts';
import { reportFolderInput } from '../../src/runner/run-action.ts';
import { namedSecrets } from '../../src/runner/secrets-input.ts';

/** Several are drilled in turn. */
const faults: InputSpec<[FaultName, ...FaultName[]]> = listOf(choice(faultNames));

/** Of a formation's primary, its first standby or its monitor; or a member of the Incus cluster. */
const host: InputSpec<string> = {
  parse(given) {
    const read = v.safeParse(incusName, given);
    if (!read.success)
      throw new Error(`must be ${hostsByRole.join(', ')}, or the name of a host of the Incus cluster`);
    return read.output;
  },
};

export const inputs = {
  formation: textInput,
  fault: faults,
  host,
  'power-off-command': commandInput,
  'power-on-command': commandInput,
  'hold-seconds': optional(secondsInput(0.5, 3600)),
  'rto-target-seconds': secondsInput(0.001, 86_400),
  'promotion-deadline-seconds': secondsInput(1, 86_400),
  'rejoin-deadline-seconds': secondsInput(1, 86_400),
  'override-hold': trueOrFalseInput,
  'wait-for-lock-seconds': secondsInput(0, 86_400),
  'restore-primary': trueOrFalseInput,
  'app-password': password,
  'client-uri': connectionString,
  'tls-ca': textInput,
  'require-client-evidence': trueOrFalseInput,
  'accept-published-table': trueOrFalseInput,
  probes: textInput,
  'probe-secrets': namedSecrets,
  'client-sessions': wholeNumberInput(1, 200),
  'client-writes-per-second': numberInput(0.1, 200),
  'least-writes-at-risk': wholeNumberInput(0, 100_000),
  rounds: optional(wholeNumberInput(1, 1000)),
  seed: optional(wholeNumberInput(0, 2 ** 31 - 1)),
  'history-file': textInput,
  'regression-percent': optional(numberInput(0, 1000)),
  'self-test': trueOrFalseInput,
  replay: textInput,
  [reportFolderInput]: textInput,
} as const;

export const outputs = [
  'rto-seconds',
  'client-rto-seconds',
  'write-outage-seconds',
  'client-uri-rto-seconds',
  'client-uri-outage-seconds',
  'client-uri-adds-seconds',
  'rejoin-seconds',
  'acknowledged-writes',
  'writes-at-risk',
  'writes-in-flight',
  'lost-writes',
  'unknown-writes',
  'dual-primary-seconds',
  'predicted-rto-seconds',
  'old-primary',
  'new-primary',
  'probes',
  'drills',
  'breach-probability',
  'junit',
  'html',
] as const;

/** The state that main saves for post: the drill whose fault is in force, and where (exposed-state.ts). */
export const exposedState = 'exposed';
