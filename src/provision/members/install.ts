import type { Member } from '../../formation/formation.ts';
import { ensureQuietResolver } from '../containers/resolver.ts';
import type { Context } from '../context.ts';
import { disableDistributionClusters } from '../packages/distribution-clusters.ts';
import { installPackages } from '../packages/installation.ts';
import { packageWork } from '../packages/packages.ts';

/** Packages, names, the distribution's cluster: what a container needs before anything of ours runs in it. */
export async function installMember(ctx: Context, member: Member): Promise<void> {
  const { formation, steps } = ctx;
  const container = ctx.container(member);
  const facts = ctx.factsOf(member).packages;
  const work = packageWork(formation, facts);
  const { version } = formation.postgres;
  if (work.length > 0) {
    const isNew = !facts.versions.has(`postgresql-${version}`);
    const what = isNew ? `Postgres ${version} and pg_auto_failover` : work.join(', ');
    await container.take(`install ${what}`, () => installPackages(container, facts));
    if (!steps.planning) ctx.facts.set(member.name, await ctx.readFacts(member));
  }
  await ensureQuietResolver(container, ctx.factsOf(member));
  const { distributionClusters } = ctx.factsOf(member);
  if (distributionClusters.length > 0) {
    await container.take(`disable the distribution's cluster ${distributionClusters.join(', ')}`, () =>
      disableDistributionClusters(container, { distributionClusters }),
    );
  }
}
