/** These tests stop, kill and delete containers: they run against a lab of ours and nothing else. */
export function setup(): void {
  const { INCUS_DIR = '', PGHA_LAB_NETNS } = process.env;
  if (PGHA_LAB_NETNS === undefined || !INCUS_DIR.includes('/pgha-lab/')) {
    throw new Error('the lab tests run in the lab only: ./pgha test lab');
  }
}
