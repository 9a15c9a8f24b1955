import {
  choice,
  password,
  secondsInput,
  secretOrMap,
  textInput,
  trueOrFalseInput,
} from '../../src/runner/inputs.ts';
import { reportFolderInput } from '../../src/runner/run-action.ts';

export const inputs = {
  formation: textInput,
  mode: choice(['apply', 'plan', 'destroy', 'adopt']),
  adopt: textInput,
  confirm: textInput,
  prune: trueOrFalseInput,
  'app-password': password,
  'user-passwords': secretOrMap,
  'autoctl-password': password,
  'replication-password': password,
  'tls-ca': textInput,
  'tls-certificate': textInput,
  'tls-key': secretOrMap,
  'converge-seconds': secondsInput(1, 3600),
  'wait-for-lock-seconds': secondsInput(0, 86_400),
  [reportFolderInput]: textInput,
} as const;

export const outputs = ['changed', 'primary', 'standbys', 'formation-uri', 'formation-file'] as const;
