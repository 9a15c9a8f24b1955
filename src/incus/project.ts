import * as v from 'valibot';
import type { IncusClient } from './client.ts';

const projectShape = {
  is: 'a project',
  schema: v.object({ config: v.nullish(v.record(v.string(), v.string())) }),
};

/** The REST path of a client's project. */
export const projectPath = ({ project }: Pick<IncusClient, 'project'>): string =>
  `/1.0/projects/${encodeURIComponent(project)}`;

/** By key. */
export type ProjectConfig = Partial<Record<string, string>>;

/** The settings of a client's project, by key. @throws as IncusClient.ask */
export async function configOfProject(
  client: IncusClient,
  how?: Parameters<IncusClient['ask']>[2],
): Promise<ProjectConfig> {
  return (await client.ask(projectPath(client), projectShape, how)).config ?? {};
}
