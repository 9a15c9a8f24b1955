import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { allRun, check, rolesOf, tellTimes, toldOf, writtenFormation } from './breakage.ts';
import { healBridge } from './bridge.ts';
import { allContainers, type LabFormation, labFormation, removeContainers } from './formations.ts';
import { figure, inside, runAction } from './harness.ts';

/** A formation that the tests of a file break, one after the other. */
export interface BreakableFormation extends LabFormation {
  /** Its file on disk. */
  path: string;
  /** Who is primary, and who is its (first) standby: as of the test's start, or of `readRoles`. */
  primary: string;
  standby: string;
  /** Reads the roles anew, for a test that changes them. */
  readRoles(): Promise<void>;
}

/** What the formation of one file has of its own. */
export interface OwnWays {
  debian?: 12 | 13;
  /** What its formation file has in place of the lab's. */
  changes?: Record<string, unknown>;
  /** What the tests need beyond provisioning: it may be there already. The formation is healthy again within a minute. */
  furnish?(formation: BreakableFormation): Promise<unknown>;
  /** After the file's last test: takes away what the other files do not have. */
  clear?(formation: BreakableFormation): Promise<unknown>;
}

/**
 * Provisions a formation before the tests of a file, and sees that it is healthy: a test of its own says if it was not.
 * No other test fails for one that failed, in this file or a later one: the bridge is healed and all containers run before
 * the next test begins. Where the formation is not healthy then, or has other settings, it is built anew.
 */
export function breakableFormation(own: OwnWays = {}): BreakableFormation {
  const { debian = 12, changes = {}, furnish, clear } = own;
  const file = labFormation(debian, changes);
  const formation: BreakableFormation = {
    ...file,
    path: writtenFormation(file.yaml),
    primary: '',
    standby: '',
    async readRoles() {
      ({ primary: formation.primary, standby: formation.standby } = await rolesOf(formation.monitor));
    },
  };
  /** What a test would begin with is not known to be healthy. */
  let isSpoilt = false;
  let foundAmiss: unknown;
  let settings = '';

  async function prepare(): Promise<void> {
    const { code, log } = await runAction('provision-pgaf', { formation: formation.path });
    expect(code, log).toBe(0);
    await formation.readRoles();
    await furnish?.(formation);
    const found = await check(formation.path, { 'wait-seconds': '60' });
    expect(toldOf(found).failed, `the formation is not healthy before the test:\n${found.log}`).toEqual([]);
    settings = await alteredSettings();
  }

  /** After a test that failed. */
  async function setRight(): Promise<void> {
    await healBridge();
    await allRun(await allContainers());
    const isWhole = await check(formation.path, { 'wait-seconds': '15' })
      .then(async ({ code }) => code === 0 && (await alteredSettings()) === settings)
      .catch(() => false);
    if (!isWhole) await buildAnew();
    // What the check does not look at may be broken all the same.
    else await prepare().catch(buildAnew);
  }

  async function buildAnew(): Promise<void> {
    const started = performance.now();
    await removeContainers();
    await prepare();
    figure('a formation built anew after a test that failed', (performance.now() - started) / 1000);
  }

  beforeAll(async () => {
    await prepare().catch((error: unknown) => {
      isSpoilt = true;
      foundAmiss = error;
    });
  });

  // Only now: what the containers have to say of the failure is told after all hooks (journals.ts).
  beforeEach(async () => {
    if (isSpoilt) await setRight();
    isSpoilt = false;
    await formation.readRoles();
  }, 600_000);

  afterEach(({ task }) => {
    if (task.result?.state === 'fail') isSpoilt = true;
  });

  afterAll(async () => {
    tellTimes();
    if (!isSpoilt) return await clear?.(formation);
    await healBridge();
    await removeContainers();
  });

  it('begins with a formation that is healthy', () => {
    if (foundAmiss !== undefined) throw foundAmiss;
  });

  return formation;
}

/** What ALTER SYSTEM has set, in all containers: provisioning leaves alone what the formation file does not name. */
async function alteredSettings(): Promise<string> {
  const read = 'sort /var/lib/postgresql/pgaf/*/postgresql.auto.conf';
  const names = await allContainers();
  const texts = await Promise.all(names.map((name) => inside(name, 'sh', '-c', read)));
  return names.map((name, index) => `${name}\n${texts[index]}`).join('\n');
}
