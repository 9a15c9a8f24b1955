import { now, toSeconds } from '../../clock/clock.ts';
import { retryUntil } from '../../clock/deadline.ts';
import { ContainerRelay } from '../../incus/relay/container-relay.ts';
import { openMemberSession } from '../../postgres/member-session.ts';
import { ensureCertificate } from '../../provision/certificates/ensure-certificate.ts';
import { readFacts } from '../../provision/facts.ts';
import type { MemberContainer } from '../../provision/member-container.ts';
import { create } from '../../provision/members/creation.ts';
import { ensureRuntimeFolder, ensureService } from '../../provision/members/service.ts';

export interface ServiceSeen {
  seconds: number;
  /** Of its databases. */
  encoding: string;
  collation: string;
  /** The version of the extension. */
  extension: string;
}

const answerDeadlineMs = 60_000;

/**
 * Makes a monitor in a container as provisioning does, with the same code: folders, certificate, pg_autoctl, unit. It is
 * the member that needs no other.
 * @param container of a member with the role of a monitor
 * @throws as what it calls; InputError or CommandError with what pg_autoctl said
 */
export async function rehearse(container: MemberContainer): Promise<ServiceSeen> {
  const { formation, incus, member, signal } = container;
  const begun = now();
  const relay = await ContainerRelay.open(incus, member.name, 'root', signal);
  try {
    const blank = await readFacts(relay, member, signal);
    await ensureRuntimeFolder(container, blank);
    await ensureCertificate(container, undefined, blank);
    await create(container);
    await ensureService(container, await readFacts(relay, member, signal));
  } finally {
    relay.close();
  }
  const session = await retryUntil(
    `Postgres in ${member.name} to answer`,
    { deadlineMs: answerDeadlineMs, pauseMs: 300, signal },
    (inner) => openMemberSession(incus, formation, member, { signal: inner }),
  );
  try {
    const [row = {}] = await session.query(
      `SELECT pg_encoding_to_char(encoding) AS encoding, datcollate AS collation,
              (SELECT extversion FROM pg_extension WHERE extname = 'pgautofailover') AS extension
         FROM pg_database WHERE datname = current_database()`,
    );
    const text = (name: string) => String(row[name] ?? '');
    return {
      seconds: toSeconds(now() - begun),
      encoding: text('encoding'),
      collation: text('collation'),
      extension: text('extension'),
    };
  } finally {
    session.close();
  }
}
