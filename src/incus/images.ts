import { EnvironmentError } from '../contract/errors.ts';
import { type Image, imagesShape } from './answers.ts';
import type { IncusClient } from './client.ts';

/** The images of an Incus server, as a project sees them. Throws as IncusClient.run does. */
export class Images {
  private readonly client: IncusClient;

  constructor(client: IncusClient) {
    this.client = client;
  }

  /**
   * Fingerprint of the image that a name stands for now: of this server, or of another remote.
   * @throws CommandError when there is none; EnvironmentError when its server does not answer, or refuses
   */
  async fingerprintOf(image: string, signal?: AbortSignal): Promise<string> {
    const source = image.includes(':') ? image : this.client.prefixed(image);
    const args = ['image', 'info', '--project', this.client.project, source];
    const output = await this.client.runWithImage(image, args, { deadlineMs: 60_000, signal });
    const found = /^Fingerprint: ([0-9a-f]{64})$/m.exec(output)?.[1];
    if (found === undefined)
      throw new EnvironmentError(
        `\`incus image info ${source}\` did not print a fingerprint; is this the real incus client?`,
      );
    return found;
  }

  /** The images of this server that the project sees. */
  async list(signal?: AbortSignal): Promise<Image[]> {
    const found = await this.client.ask('/1.0/images?recursion=1', imagesShape, signal);
    return (found ?? []).map((raw) => ({
      fingerprint: raw.fingerprint,
      aliases: (raw.aliases ?? []).map(({ name }) => name),
      properties: raw.properties ?? {},
      uploadedAt: Date.parse(raw.uploaded_at),
      usedAt: Math.max(0, Date.parse(raw.last_used_at) || 0),
    }));
  }

  /** Makes an image of a stopped instance. The server does it whole or not at all, whatever becomes of the client. */
  async publish(
    instance: string,
    alias: string,
    properties: Record<string, string>,
    signal?: AbortSignal,
  ): Promise<void> {
    const request = {
      source: { type: 'instance', name: instance },
      aliases: [{ name: alias, description: properties['description'] ?? '' }],
      properties,
      compression_algorithm: 'none',
    };
    const url = `/1.0/images?project=${encodeURIComponent(this.client.project)}`;
    const args = ['query', '-X', 'POST', '--wait', '-d', JSON.stringify(request), this.client.prefixed(url)];
    await this.client.run(args, { deadlineMs: 600_000, signal });
  }

  /** Whether the server makes or fetches an image for this project: such operations name neither. */
  async areBeingMade(signal?: AbortSignal): Promise<boolean> {
    return (await this.client.operations(signal)).some(
      ({ status, class: kind, description }) =>
        kind === 'task' && status === 'Running' && /image/i.test(description),
    );
  }

  async delete(fingerprint: string, signal?: AbortSignal): Promise<void> {
    const args = ['image', 'delete', '--project', this.client.project, this.client.prefixed(fingerprint)];
    await this.client.run(args, { deadlineMs: 120_000, signal });
  }
}
