import { text } from '../../src/runner/inputs.ts';
import { reportFolderInput } from '../../src/runner/run-action.ts';

export const inputs = { formation: text, [reportFolderInput]: text } as const;

export const outputs = ['healthy', 'primary', 'standbys', 'formation-uri', 'failed-checks'] as const;
