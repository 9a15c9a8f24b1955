import { layout, stateFileOf } from '../../member/keeper-state.ts';
import { asPostgres } from '../../member/programs.ts';
import type { MemberContainer } from '../member-container.ts';
import remember from './scripts/remember-standby.pl';

/**
 * Gives a keeper its memory of a standby.
 * @param runs whether the keeper runs, and may write its state meanwhile
 * @throws as Incus.exec
 */
export async function rememberStandby(container: MemberContainer, runs: boolean): Promise<void> {
  const rounds = runs ? 20 : 1;
  const args = [stateFileOf(container.member.pgdata), String(layout.lastStandbyContact), String(rounds)];
  await container.exec(asPostgres('perl', '-e', remember, ...args), { deadlineMs: 45_000 });
}
