import { faultNames } from '../../src/faults/catalogue.ts';
import { choice, optional, secondsInput, text } from '../../src/runner/inputs.ts';
import { reportFolderInput } from '../../src/runner/run-action.ts';

export const inputs = {
  formation: text,
  fault: choice(faultNames),
  'hold-seconds': optional(secondsInput(0.5, 3600)),
  'rto-target-seconds': secondsInput(0.001, 86_400),
  'promotion-deadline-seconds': secondsInput(1, 86_400),
  'rejoin-deadline-seconds': secondsInput(1, 86_400),
  [reportFolderInput]: text,
} as const;

export const outputs = ['rto-seconds', 'rejoin-seconds', 'old-primary', 'new-primary'] as const;

/** The state that main saves for post: the id of the drill whose fault is in force. */
export const exposedState = 'exposed';
