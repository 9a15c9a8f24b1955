import { beforeEach } from 'vitest';
import { incus, inside } from './harness.ts';

/** After a test that failed: what the keepers and Postgres said last, which is gone with the next test. */
beforeEach(({ onTestFailed }) => {
  onTestFailed(async () => {
    const listed = await incus('list', '--format', 'csv', '--columns', 'n', 'status=running');
    for (const container of listed.split('\n').filter((name) => name !== '')) {
      const journal = ['journalctl', '--boot', '--no-pager', '--lines', '40', '--unit', 'pg_autoctl'];
      const processes = ['ps', '-u', 'postgres', '-o', 'pid,etime,args'];
      const newest =
        'f=$(ls -t /var/lib/postgresql/*/*/log/* 2>/dev/null | head -n 1); [ -z "$f" ] || tail -n 40 "$f"';
      for (const command of [processes, journal, ['sh', '-c', newest]]) {
        const said = await inside(container, ...command).catch((error: Error) => error.message);
        console.log(`after the failure, ${container}: ${command[0]}\n${said}`);
      }
    }
  });
});
