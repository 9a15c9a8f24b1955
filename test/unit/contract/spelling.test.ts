import { describe, expect, it } from 'vitest';
import { nearest } from '../../../src/contract/spelling.ts';

const inputs = [
  ...['formation', 'fault', 'rto-target-seconds', 'promotion-deadline-seconds', 'app-password', 'rounds'],
  ...['history-file', 'tls-ca', 'mode', 'report-folder'],
];

describe('what somebody may have meant', () => {
  it.each([
    ['rto-target', 'rto-target-seconds'],
    ['RTO_TARGET_SECONDS', 'rto-target-seconds'],
    ['rto-target-secs', 'rto-target-seconds'],
    ['fromation', 'formation'],
    ['formations', 'formation'],
    ['password', 'app-password'],
    ['apppassword', 'app-password'],
    ['app_pasword', 'app-password'],
    ['history', 'history-file'],
    ['round', 'rounds'],
    ['faults', 'fault'],
  ])('%s: %s', (word, meant) => {
    expect(nearest(word, inputs)).toBe(meant);
  });

  it.each([
    '',
    'github-token',
    'timeout',
    'who-to-greet',
    'x',
    'method',
    'to',
    'constructor',
    'y'.repeat(10_000),
  ])('%s is nothing of ours', (word) => {
    expect(nearest(word, inputs)).toBeUndefined();
  });
});
