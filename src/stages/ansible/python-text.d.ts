/** Python files are imported as the text that they hold: by esbuild's loader `text`, and in tests by a plug-in of vitest.config.ts. */
declare module '*.py' {
  const text: string;
  // biome-ignore lint/style/noDefaultExport: esbuild gives a file's text so.
  export default text;
}
