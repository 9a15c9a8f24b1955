/** @param compiled the folder that tsc wrote to */
export function scriptsAsModules(compiled: string): void;
