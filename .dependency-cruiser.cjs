// Who may import whom: see ARCHITECTURE.md. Anything absent there is an error here.
const rooms = ['model', 'pipeline', 'stages', 'machine', 'formats', 'engine', 'cache', 'incremental', 'host', 'report', 'commands'];
const may = {
  model: [],
  pipeline: ['model', 'stages'],
  formats: ['model'],
  machine: ['model', 'host'],
  stages: ['model', 'machine', 'formats', 'host'],
  incremental: ['model', 'host'],
  cache: ['model', 'incremental', 'host'],
  engine: ['model', 'stages', 'incremental', 'cache', 'host'],
  host: ['model'],
  report: ['model'],
  commands: rooms,
};
// Of these rooms only types may be imported: the real thing is handed in.
const typesOnly = { stages: ['host'], engine: ['cache', 'host'] };

const forbidden = [
  { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } } },
  { name: 'no-orphans', severity: 'error', from: { orphan: true, path: '^src', pathNot: ['^src/entry\\.ts$', '^src/host/.*worker', '\\.d\\.ts$'] }, to: {} },
  { name: 'entry-imports', severity: 'error', from: { path: '^src/(entry|cli)\\.ts$' }, to: { path: '^src/', pathNot: ['^src/(commands|model)/', '^src/cli\\.ts$'] } },
  { name: 'bench-and-test-stay-out', severity: 'error', from: { path: '^src/' }, to: { path: '^(test|bench|scripts)/' } },
];
for (const room of rooms) {
  const allowed = [room, ...may[room]].join('|');
  forbidden.push({
    name: `${room}-imports`,
    severity: 'error',
    from: { path: `^src/${room}/` },
    to: { path: '^src/', pathNot: `^src/(${allowed})/` },
  });
}
for (const [room, others] of Object.entries(typesOnly)) {
  forbidden.push({
    name: `${room}-types-only`,
    severity: 'error',
    from: { path: `^src/${room}/` },
    to: { path: `^src/(${others.join('|')})/`, dependencyTypesNot: ['type-only'] },
  });
}
const libraries = {
  cacache: '^src/cache/',
  hasha: '^src/host/',
  execa: '^src/host/',
  listr2: '^src/report/live',
  yaml: '^src/pipeline/parse',
  'p-graph': '^src/engine/build',
  zod: '^src/(stages|pipeline)/',
};
for (const [library, home] of Object.entries(libraries)) {
  forbidden.push({
    name: `${library}-at-home`,
    severity: 'error',
    from: { path: '^src/', pathNot: home },
    to: { path: `node_modules/${library}/`, dependencyTypesNot: ['type-only'] },
  });
}
forbidden.push({
  name: 'effects-behind-host',
  severity: 'error',
  from: { path: '^src/', pathNot: '^src/(host|entry\\.ts)' },
  to: { path: '^(node:)?(fs|fs/promises|child_process|net|http|https|worker_threads)$' },
});

module.exports = {
  forbidden,
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default'] },
  },
};
