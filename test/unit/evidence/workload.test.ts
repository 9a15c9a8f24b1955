import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { Journal } from '../../../src/evidence/journal.ts';
import { Workload } from '../../../src/evidence/workload.ts';

it('lets its clients in by and by: two hundred that log in at one moment would all be too late', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'pgha-unit-'));
  const waiting: ((why: Error) => void)[] = [];
  const entrance = () => new Promise<never>((_, refuse) => waiting.push(refuse));
  const journal = Journal.create(join(folder, 'journal.jsonl'), 'run');
  const workload = new Workload({
    ...{ entrances: [entrance], journal, sessions: 40, writesPerSecond: 1 },
    ...{ statementDeadlineMs: 1000, limitMs: 60_000 },
  });
  try {
    await vi.waitFor(() => expect(waiting).toHaveLength(16));
    await new Promise((done) => setTimeout(done, 50));
    expect(waiting).toHaveLength(16);
    waiting[0]?.(new Error('nobody at home'));
    await vi.waitFor(() => expect(waiting.length).toBeGreaterThanOrEqual(17));
  } finally {
    // Also those who still wait for their turn.
    const stopped = workload.stop();
    for (const refuse of waiting) refuse(new Error('nobody at home'));
    await stopped;
    journal.close();
    rmSync(folder, { recursive: true });
  }
});
