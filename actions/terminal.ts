import { messageOf } from '../src/contract/errors.ts';
import { exitCodeOf } from '../src/contract/outcome.ts';
import { checkoutOf } from '../src/runner/defaults.ts';
import type { InputSpecs } from '../src/runner/inputs.ts';
import { runFromTerminal } from '../src/runner/terminal.ts';
import { inputs as alertInputs } from './alert/contract.ts';
import { inputs as checkInputs } from './check-formation/contract.ts';
import { inputs as drillInputs } from './failover-drill/contract.ts';
import { inputs as provisionInputs } from './provision-pgaf/contract.ts';

/** The command line: `pgha ACTION --input value …`. @returns its exit code */
export async function terminal(): Promise<number> {
  const specs: InputSpecs = { ...alertInputs, ...checkInputs, ...provisionInputs, ...drillInputs };
  const secrets = Object.keys(specs).filter((name) => specs[name]?.secrets);
  try {
    return await runFromTerminal(process.argv.slice(2), checkoutOf(process.argv[1] ?? ''), secrets);
  } catch (error) {
    process.stderr.write(`pgha: ${messageOf(error)}\n`);
    return exitCodeOf('error');
  }
}
