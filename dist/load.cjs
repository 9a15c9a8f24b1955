'use strict';
/* In a file of its own: `import()` is a word that the oldest Nodes do not read. */
module.exports = function load() {
  return import('./pgha.mjs');
};
