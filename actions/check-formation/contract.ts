import { choice, secondsInput, secret, secretUri, text } from '../../src/runner/inputs.ts';
import { reportFolderInput } from '../../src/runner/run-action.ts';

export const inputs = {
  formation: text,
  formations: text,
  'wait-seconds': secondsInput(0, 86_400),
  'rto-target-seconds': secondsInput(0.001, 86_400),
  'fail-on': choice(['error', 'warning']),
  'app-password': secret,
  'tls-ca': text,
  'client-uri': secretUri,
  [reportFolderInput]: text,
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
  'junit',
] as const;
