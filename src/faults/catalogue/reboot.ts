import { EnvironmentError } from '../../contract/errors.ts';
import type { Fault, Prepare } from '../fault.ts';

/** In order: systemd stops pg_autoctl, which stops Postgres; then everything starts again. */
const prepare: Prepare = async ({ incus }, [{ name }], signal) => {
  const before = (await incus.state(name, signal)).pid;
  if (before <= 0) throw new EnvironmentError(`Incus does not tell the first process of ${name}`);
  return {
    inject: () => incus.restart(name),
    async proof() {
      const { pid } = await incus.state(name);
      return pid > 0 && pid !== before
        ? `the container's first process is ${pid} on its host, and was ${before}`
        : undefined;
    },
  };
};

export const reboot = {
  does: "the primary's container is restarted cleanly, as after an update",
  expected: 'either',
  because:
    'a primary that is back before the timings give it up stays primary, one that takes longer is replaced',
  hits: 'primary',
  reliesOn: 'stop-hands-nothing-over',
  lasts: 'a-moment',
  deed: (container) => `${container} was restarted`,
  state: '',
  end: '',
  prepare,
} as const satisfies Fault;
