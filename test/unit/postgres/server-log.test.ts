import { describe, expect, it } from 'vitest';
import { describeLastWords, lastWords } from '../../../src/postgres/server-log.ts';

/** As Postgres 15 wrote it in the lab. */
const at = '2026-11-28 19:39:00.580 UTC';
const handedOver = `${at} [463] LOG:  redirecting log output to logging collector process
${at} [463] HINT:  Future log output will appear in directory "log".
`;
const starting = `${at} [463] LOG:  starting PostgreSQL 15.18 on x86_64-pc-linux-gnu\n`;
const words = (startup: string, log = '') => {
  const found = lastWords(startup, log);
  return found && describeLastWords(found);
};

describe('the last words of Postgres', () => {
  it('are those of its start, with DETAIL', () => {
    const startup = `${at} [396] FATAL:  data directory "/d" has invalid permissions
${at} [396] DETAIL:  Permissions should be u=rwx (0700) or u=rwx,g=rx (0750).
`;
    expect(words(startup, `${starting}${at} [463] PANIC:  of another start\n`)).toBe(
      'FATAL: data directory "/d" has invalid permissions; DETAIL: Permissions should be u=rwx (0700) or u=rwx,g=rx (0750).',
    );
  });

  it('are in the log that the start was handed over to, with what it stumbled over', () => {
    const log = `${starting}${at} [463] LOG:  could not open configuration file "/d/pg_hba.conf": Permission denied
${at} [463] FATAL:  could not load pg_hba.conf
${at} [463] LOG:  database system is shut down
`;
    expect(words(handedOver, log)).toBe(
      'FATAL: could not load pg_hba.conf; before it: could not open configuration file "/d/pg_hba.conf": Permission denied',
    );
  });

  it("are the startup process', and not those of sessions that it turned away", () => {
    const log = `${starting}${at} [533] FATAL:  the database system is starting up
${at} [532] LOG:  entering standby mode
${at} [532] FATAL:  recovery aborted because of insufficient parameter settings
${at} [532] DETAIL:  max_connections = 20 is a lower setting than on the primary server,
\twhere its value was 100.
${at} [532] HINT:  You can restart the server after making the necessary configuration changes.
${at} [534] FATAL:  the database system is starting up
${at} [463] LOG:  startup process (PID 532) exited with exit code 1
`;
    expect(words(handedOver, log)).toBe(
      'FATAL: recovery aborted because of insufficient parameter settings; DETAIL: max_connections = 20 is a lower setting than on the primary server, where its value was 100.; HINT: You can restart the server after making the necessary configuration changes.',
    );
  });

  it('are of this start, and not of an old one', () => {
    const old = `${starting}${at} [463] FATAL:  could not load pg_hba.conf\n`;
    const good = `${starting}${at} [463] LOG:  database system is ready to accept connections\n`;
    expect(words(handedOver, old + good)).toBeUndefined();
  });

  it('are none of a server that was stopped, whatever its sessions met', () => {
    const log = `${starting}${at} [463] LOG:  database system is ready to accept read-only connections
${at} [470] FATAL:  password authentication failed for user "veza"
${at} [471] FATAL:  something of a session
${at} [463] LOG:  received fast shutdown request
${at} [464] FATAL:  terminating walreceiver process due to administrator command
${at} [463] LOG:  database system is shut down
`;
    expect(words(handedOver, log)).toBeUndefined();
  });

  it('are those of the process that replays, when it ends a running standby', () => {
    const log = `${starting}${at} [463] LOG:  database system is ready to accept read-only connections
${at} [532] FATAL:  directory "/srv/ts" does not exist
${at} [532] HINT:  Create this directory for the tablespace before restarting the server.
${at} [532] CONTEXT:  WAL redo at 0/30000A0 for Tablespace/CREATE
${at} [463] LOG:  startup process (PID 532) exited with exit code 1
`;
    expect(words(handedOver, log)).toContain('FATAL: directory "/srv/ts" does not exist; HINT: Create');
  });

  it('may have another prefix, or none', () => {
    expect(words('FATAL:  no prefix\n')).toBe('FATAL: no prefix');
    expect(words('db=[unknown] 2026 PANIC:  could not locate a valid checkpoint record\n')).toBe(
      'PANIC: could not locate a valid checkpoint record',
    );
  });

  it('may come as CSV or JSON', () => {
    const csv = `2026-11-28 19:39:00.580 UTC,,,463,,6748.1,1,,2026-11-28 19:39:00 UTC,,0,LOG,00000,"starting PostgreSQL 15.18",,,,,,,,,"","postmaster",,0
2026-11-28 19:39:00.680 UTC,,,463,,6748.1,2,,2026-11-28 19:39:00 UTC,,0,FATAL,F0000,"could not load ""pg_hba.conf"",
really","why, oh why","do it",,,,,,,"","postmaster",,0
`;
    expect(words(handedOver, csv)).toBe(
      'FATAL: could not load "pg_hba.conf", really; DETAIL: why, oh why; HINT: do it',
    );
    const json = `{"timestamp":"2026-11-28 19:39:00.580 UTC","pid":463,"error_severity":"LOG","message":"starting PostgreSQL 15.18"}
{"timestamp":"2026-11-28 19:39:00.680 UTC","pid":463,"error_severity":"FATAL","message":"could not load pg_hba.conf","detail":"why"}
{"timestamp":"2026-11-28 19:39:00.6`;
    expect(words(handedOver, json)).toBe('FATAL: could not load pg_hba.conf; DETAIL: why');
  });

  it('are printed plainly by what cannot log yet', () => {
    const plain =
      'postgres: could not find the database system\nExpected to find it in the directory "/d",\n';
    expect(words(plain)).toBe(
      'postgres: could not find the database system Expected to find it in the directory "/d",',
    );
    expect(words('')).toBeUndefined();
  });

  it('are short, however much a server says', () => {
    expect(words(`FATAL:  ${'x'.repeat(60_000)}\n`)?.length).toBeLessThan(450);
  });
});
