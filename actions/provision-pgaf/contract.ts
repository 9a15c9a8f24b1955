import { choice, secondsInput, secret, secretOrMap, text, trueOrFalse } from '../../src/runner/inputs.ts';
import { reportFolderInput } from '../../src/runner/run-action.ts';

export const inputs = {
  formation: text,
  mode: choice(['apply', 'plan', 'destroy']),
  confirm: text,
  prune: trueOrFalse,
  'app-password': secret,
  'user-passwords': secretOrMap,
  'autoctl-password': secret,
  'replication-password': secret,
  'tls-ca': text,
  'tls-certificate': text,
  'tls-key': secretOrMap,
  'converge-seconds': secondsInput(1, 3600),
  [reportFolderInput]: text,
} as const;

export const outputs = ['changed', 'primary', 'standbys', 'formation-uri'] as const;
