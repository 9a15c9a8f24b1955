/** Scripts for containers are files, each beside the code that sends it; the build brings them in as text. */
declare module '*.pl' {
  const text: string;
  export default text;
}
declare module '*.sh' {
  const text: string;
  export default text;
}
