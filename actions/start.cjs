'use strict';
/* What every entry in dist/ begins with. It is written so that any Node reads it, however old: this file says which
   Node is needed before anything else is loaded, and so before anything is touched. */

var fs = require('fs');

var needed = 20;

/** Code 3, "could not run", in words and in the outputs that a workflow reads. Node's own 1 would say "unhealthy". */
function refuse(kind, message) {
  process.exitCode = 3;
  if (kind === 'terminal' || kind === 'guard') {
    process.stderr.write('pgha: ' + message + '\n');
    return;
  }
  process.stdout.write(
    '::error::' + message.replace(/%/g, '%25').replace(/\r/g, '%0D').replace(/\n/g, '%0A') + '\n'
  );
  if (kind !== 'main') return;
  append(
    process.env.GITHUB_OUTPUT,
    'exit-code=3\noutcome=error\nmessage=' + message.replace(/\s+/g, ' ') + '\nreport=\n'
  );
  append(process.env.GITHUB_STEP_SUMMARY, '### ❌ pgha: ' + message.replace(/</g, '&lt;') + '\n');
}

/** To a file of the runner's, where there is one: a pipe that nobody reads would hold us for ever. */
function append(path, text) {
  try {
    if (path && fs.statSync(path).isFile()) fs.appendFileSync(path, text);
  } catch (error) {
    process.stderr.write('pgha: ' + path + ' could not be written: ' + error.message + '\n');
  }
}

function tooOld() {
  return [
    'Node ' + needed + ' or newer is needed, and this is Node ' + process.versions.node,
    ' (' + process.execPath + '): nothing was done.',
    ' On a runner put Node ' +
      needed +
      " or 24 first on the PATH of the runner's user, or update a runner that",
    ' brings its own; from a terminal ./pgha finds or fetches one on Debian and Ubuntu.'
  ].join('');
}

/** Whether main left something for the post step to undo. */
function hasState() {
  return Object.keys(process.env).some(function (name) {
    return /^STATE_/.test(name) && process.env[name] !== '';
  });
}

/**
 * @param name what the bundle exports for this entry: it returns the exit code, or nothing for 0
 * @param kind main, post, terminal or guard: how this entry tells what went wrong
 */
module.exports = function start(name, kind) {
  if (parseInt(process.versions.node, 10) < needed) {
    // Its main has refused as well, and said so.
    if (kind === 'post' && !hasState()) return;
    refuse(kind, tooOld());
    return;
  }
  var ended = false;
  process.on('exit', function (code) {
    if (ended || code !== 0) return;
    refuse(kind, 'internal error of pgha, please report it: it ended before its work was done');
  });
  require('./load.cjs')()
    .then(function (pgha) {
      return pgha[name]();
    })
    .then(
      function (code) {
        ended = true;
        if (code) process.exitCode = code;
      },
      function (error) {
        ended = true;
        refuse(
          kind,
          'internal error of pgha, please report it: ' + (error && error.message ? error.message : error)
        );
      }
    );
};
