import type { MemberContainer } from '../member-container.ts';

/** Stops the distribution's own clusters and keeps them from starting at boot. */
export async function disableDistributionClusters(
  container: MemberContainer,
  { distributionClusters }: { distributionClusters: readonly string[] },
): Promise<void> {
  for (const cluster of distributionClusters) {
    const [version = '', name = ''] = cluster.split(' ');
    await container.exec(['systemctl', 'disable', '--now', `postgresql@${version}-${name}.service`], {
      deadlineMs: 60_000,
    });
    await container.write(`/etc/postgresql/${version}/${name}/start.conf`, 'disabled\n', {
      owner: 'postgres',
      folderOf: 'postgres',
    });
  }
}
