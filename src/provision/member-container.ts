import { type Formation, type Member, membersOf } from '../formation/formation.ts';
import type { ExecOptions } from '../incus/client.ts';
import type { Incus } from '../incus/incus.ts';
import { asPostgres } from '../member/programs.ts';
import write from './scripts/write-file.sh';
import type { Restarts, Steps } from './steps.ts';

/** What every part of a run works with. */
export interface Run {
  readonly formation: Formation;
  readonly incus: Incus;
  readonly steps: Steps;
  readonly signal: AbortSignal;
}

export interface Placement {
  owner?: 'root' | 'postgres';
  mode?: string;
  /**
   * Whose folder it goes to, and so who writes it. In a folder of postgres root must not write: links that
   * whoever has become postgres puts there would give him any file of the container.
   */
  folderOf?: 'root' | 'postgres';
}

/** A member's container as a run works in it: commands end with the run, and changes are told as steps of it. */
export class MemberContainer implements Run {
  readonly formation: Formation;
  readonly incus: Incus;
  readonly steps: Steps;
  readonly signal: AbortSignal;
  readonly member: Member;
  private readonly before: (() => Promise<void>) | undefined;

  /** @param other steps that its changes are of, and signal that ends its commands, where these are not the run's */
  constructor(
    { formation, incus, steps, signal }: Run,
    member: Member,
    other: Partial<Pick<Run, 'steps' | 'signal'>> & { before?: () => Promise<void> } = {},
  ) {
    this.formation = formation;
    this.incus = incus;
    this.steps = other.steps ?? steps;
    this.signal = other.signal ?? signal;
    this.member = member;
    this.before = other.before;
  }

  get name(): string {
    return this.member.name;
  }

  /** The formation's monitor. */
  get monitor(): Member {
    return membersOf(this.formation)[0];
  }

  /** The same container, whose commands end with another signal. */
  endingWith(signal: AbortSignal): MemberContainer {
    return new MemberContainer(this, this.member, { signal });
  }

  /** The same container, in which something is done before each change: not in a plan. */
  preparedBy(before: () => Promise<void>): MemberContainer {
    return new MemberContainer(this, this.member, { before });
  }

  /** Takes a step that changes something in it. Throws as Steps.take does. */
  async take(what: string, work: () => Promise<unknown>, restarts?: Restarts): Promise<void> {
    const prepared = async () => {
      await this.before?.();
      return await work();
    };
    await this.steps.take(this.name, what, prepared, restarts);
  }

  /** Runs a command in it as root. Throws as Incus.exec does. */
  async exec(command: readonly string[], options: Omit<ExecOptions, 'signal'>): Promise<void> {
    await this.incus.exec(this.name, command, { ...options, signal: this.signal });
  }

  /** Runs a command in it that only reads, and returns its whole output. Throws as Incus.read does. */
  async read(command: readonly string[], options: Omit<ExecOptions, 'signal'>): Promise<string> {
    return await this.incus.read(this.name, command, { ...options, signal: this.signal });
  }

  /** Writes a file in it, atomically. Content goes by standard input, so it may be secret. */
  async write(
    path: string,
    content: string | Buffer,
    { owner = 'root', mode = '0644', folderOf = 'root' }: Placement = {},
  ): Promise<void> {
    const script = ['sh', '-c', write, 'sh', path, mode, owner, String(Buffer.byteLength(content))];
    await this.exec(folderOf === 'root' ? script : asPostgres(...script), {
      stdin: content,
      deadlineMs: 20_000,
    });
  }
}
