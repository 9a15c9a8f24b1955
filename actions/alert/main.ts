import type { Outcome } from '../../src/contract/outcome.ts';
import { alertText, runAddress, sendAlert } from '../../src/runner/alert.ts';
import { runAction } from '../../src/runner/run-action.ts';
import { inputs, outputs } from './contract.ts';

/** Tells a webhook of steps or jobs that did not pass. */
export async function alert(): Promise<Outcome> {
  return await runAction({
    name: 'alert',
    inputs,
    outputs,
    async run({ webhook, format, results, token, ...given }, { log, signal }) {
      const { formation, outcome, message } = given;
      const run = await runAddress(process.env, token, signal);
      const text = alertText(results, { formation, outcome, message, rtoSeconds: given['rto-seconds'], run });
      log.info(text);
      await sendAlert(webhook, text, { format, signal });
      return {
        outcome: 'pass',
        message: 'the webhook has taken the message',
        outputs: {},
        report: { name: 'alert', content: { text } },
        summary: `### alert: ${text.replaceAll('<', '&lt;')}\n`,
      };
    },
  });
}
