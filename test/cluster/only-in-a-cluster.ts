/** These tests kill hosts: they run against a cluster of a lab of ours and nothing else. */
export function setup(): void {
  const { INCUS_DIR = '', PGHA_LAB_MEMBERS = '' } = process.env;
  if (PGHA_LAB_MEMBERS === '' || !INCUS_DIR.includes('/pgha-lab/')) {
    throw new Error('the cluster tests run in a cluster of the lab only: ./pgha test cluster');
  }
}
