require('../start.cjs')('terminal', 'terminal');
