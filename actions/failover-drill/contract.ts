import { type FaultName, faultNames } from '../../src/faults/catalogue.ts';
import {
  choice,
  type InputSpec,
  listOf,
  numberInput,
  optional,
  secondsInput,
  secret,
  text,
  trueOrFalse,
  wholeNumber,
} from '../../src/runner/inputs.ts';
import { reportFolderInput } from '../../src/runner/run-action.ts';

/** Several are drilled in turn. */
const faults: InputSpec<[FaultName, ...FaultName[]]> = listOf(choice(faultNames));

export const inputs = {
  formation: text,
  fault: faults,
  'hold-seconds': optional(secondsInput(0.5, 3600)),
  'rto-target-seconds': secondsInput(0.001, 86_400),
  'promotion-deadline-seconds': secondsInput(1, 86_400),
  'rejoin-deadline-seconds': secondsInput(1, 86_400),
  'restore-primary': trueOrFalse,
  'app-password': secret,
  'tls-ca': text,
  'require-client-evidence': trueOrFalse,
  'client-sessions': wholeNumber(1, 64),
  'client-writes-per-second': numberInput(0.1, 200),
  rounds: optional(wholeNumber(1, 1000)),
  seed: optional(wholeNumber(0, 2 ** 31 - 1)),
  'history-file': text,
  'regression-percent': optional(numberInput(0, 1000)),
  'self-test': trueOrFalse,
  replay: text,
  [reportFolderInput]: text,
} as const;

export const outputs = [
  'rto-seconds',
  'client-rto-seconds',
  'write-outage-seconds',
  'rejoin-seconds',
  'acknowledged-writes',
  'lost-writes',
  'unknown-writes',
  'dual-primary-seconds',
  'predicted-rto-seconds',
  'old-primary',
  'new-primary',
  'drills',
  'breach-probability',
  'junit',
  'html',
] as const;

/** The state that main saves for post: the id of the drill whose fault is in force. */
export const exposedState = 'exposed';
