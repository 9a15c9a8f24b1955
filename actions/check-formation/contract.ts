import { choice, connectionString, password, secondsInput, textInput } from '../../src/runner/inputs.ts';
import { reportFolderInput } from '../../src/runner/run-action.ts';

export const inputs = {
  formation: textInput,
  formations: textInput,
  'wait-seconds': secondsInput(0, 86_400),
  'rto-target-seconds': secondsInput(0.001, 86_400),
  'fail-on': choice(['error', 'warning']),
  'app-password': password,
  'tls-ca': textInput,
  'client-uri': connectionString,
  [reportFolderInput]: textInput,
} as const;

export const outputs = [
  'healthy',
  'primary',
  'standbys',
  'nodes',
  'formation-uri',
  'predicted-rto-seconds',
  'fencing-margin-seconds',
  'failed-checks',
  'warnings',
  'formations',
  'held',
  'junit',
] as const;
