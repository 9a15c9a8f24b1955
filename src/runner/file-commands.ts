/**
 * The format of the files behind GITHUB_OUTPUT and GITHUB_STATE: `name=value`, or `name<<delimiter`, the
 * value's lines, and the delimiter. A later value of a name replaces an earlier one.
 */
export function parseFileCommands(text: string): Map<string, string> {
  const values = new Map<string, string>();
  const lines = text.split('\n');
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? '';
    const heredoc = /^([^=<]+)<<(.+)$/.exec(line);
    if (heredoc) {
      const [, name = '', delimiter = ''] = heredoc;
      const end = lines.indexOf(delimiter, index + 1);
      values.set(name, lines.slice(index + 1, end === -1 ? undefined : end).join('\n'));
      index = end === -1 ? lines.length : end;
    } else if (line.includes('=')) {
      values.set(line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1));
    }
  }
  return values;
}

/**
 * A text that a runner shows and does not obey: it takes lines that begin with `::`, blanks aside, and `##[`
 * anywhere, for commands. What containers say may hold either.
 */
export function withoutCommands(text: string): string {
  return text.replace(/(^|[\r\n])([^\S\r\n]*):(?=:)/g, '$1$2: ').replaceAll('##[', '## [');
}

export type WorkflowLine = {
  kind: 'text' | 'debug' | 'notice' | 'warning' | 'error' | 'annotation' | 'mask' | 'command';
  text: string;
};

/** A line of a step's log: plain text, or one of the runner's workflow commands (`::warning::…`). */
export function parseWorkflowLine(line: string): WorkflowLine {
  const command = /^::([a-z-]+)(?: ([^:]*))?::(.*)$/.exec(line);
  if (!command) return { kind: 'text', text: line };
  const text = (command[3] ?? '').replaceAll('%0D', '\r').replaceAll('%0A', '\n').replaceAll('%25', '%');
  const name = command[1] ?? '';
  // What is annotated with a title stands in the log already.
  if (/\btitle=/.test(command[2] ?? '')) return { kind: 'annotation', text };
  if (name === 'debug' || name === 'notice' || name === 'warning' || name === 'error')
    return { kind: name, text };
  return { kind: name === 'add-mask' ? 'mask' : 'command', text };
}
