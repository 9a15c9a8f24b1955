import { always } from '../../src/runner/inputs.ts';
import { inputs as checkInputs } from '../check-formation/contract.ts';
import { inputs as drillInputs, outputs as drillOutputs } from '../failover-drill/contract.ts';
import { inputs as provisionInputs } from '../provision-pgaf/contract.ts';

/** The root action.yml: what its three actions take and tell. */

const { mode: _mode, adopt: _adopt, confirm: _confirm, ...provisioning } = provisionInputs;
const { formations: _formations, ...ofOneFormation } = checkInputs;

/** An acceptance applies; a plan, a destruction or an adoption is provision-pgaf's own business. */
export const applying = {
  ...provisionInputs,
  mode: always('apply'),
  adopt: always(''),
  confirm: always(''),
} as const;

/** An acceptance is of one formation. */
export const checking = { ...checkInputs, formations: always('') } as const;

export const inputs = { ...provisioning, ...ofOneFormation, ...drillInputs } as const;

export const outputs = ['changed', 'formation-uri', 'healthy', ...drillOutputs] as const;
