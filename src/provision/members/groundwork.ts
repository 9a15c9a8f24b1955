import { ensureCertificate } from '../certificates/ensure-certificate.ts';
import type { Context } from '../context.ts';
import type { Facts } from '../facts.ts';
import type { MemberContainer } from '../member-container.ts';
import { ensurePasswordFile, wantedPasswordFile } from '../passwords/secrets.ts';
import { ensureRuntimeFolder } from './service.ts';

/**
 * What stands outside the data directory, and must be there before `pg_autoctl create`.
 * @returns whether the certificate was changed
 */
export async function layGround(ctx: Context, container: MemberContainer, facts: Facts): Promise<boolean> {
  const [, , certificate] = await Promise.all([
    ensureRuntimeFolder(container, facts),
    ensurePasswordFile(container, ctx.secrets, facts),
    ensureCertificate(container, ctx.certificates.get(container.name), facts),
  ]);
  return certificate;
}

/** A file of the data directory, written where it differs. @returns whether it did */
export async function ensureFile(
  container: MemberContainer,
  name: string,
  found: string | undefined,
  wanted: string,
): Promise<boolean> {
  if (found === wanted) return false;
  const placement = { owner: 'postgres', mode: '0600', folderOf: 'postgres' } as const;
  await container.take(`write ${name}`, () =>
    container.write(`${container.member.pgdata}/${name}`, wanted, placement),
  );
  return true;
}

/** Keepers that run have their passwords before the monitor asks for them: without, nobody could fail over meanwhile. */
export async function givePasswordsFirst(ctx: Context): Promise<void> {
  const existing = ctx.dataNodes.filter((node) => ctx.isOpen(node) && ctx.factsOf(node).created);
  await Promise.all(
    existing.map(async (node) => {
      const facts = ctx.factsOf(node);
      await ensurePasswordFile(ctx.container(node), ctx.secrets, facts);
      const wanted = wantedPasswordFile(ctx, ctx.secrets, facts) ?? facts.passwordFile;
      ctx.facts.set(node.name, { ...facts, passwordFile: wanted, passwordFileMode: 'postgres 600' });
    }),
  );
}
