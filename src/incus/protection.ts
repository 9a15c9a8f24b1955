import type { Instance } from './answers.ts';
import type { IncusClient } from './client.ts';

/** Why instances cannot be deleted, though they could be stopped: Incus does the one before it refuses the other. */
export function protectionErrors(incus: IncusClient, instances: readonly Instance[]): string[] {
  const key = 'security.protection.delete';
  const config = `config unset --project ${incus.project}`;
  return instances.flatMap(({ name, config: own, expandedConfig }) => {
    if (!/^(?:true|1|yes|on)$/i.test(expandedConfig[key] ?? '')) return [];
    const how =
      own?.[key] === undefined
        ? 'one of its profiles sets that (`incus config show --expanded`)'
        : `\`incus ${config} ${incus.prefixed(name)} ${key}\` takes that away`;
    return [
      `${name} is protected from deletion (${key}), so nothing was touched: ${how}; then run this again`,
    ];
  });
}
