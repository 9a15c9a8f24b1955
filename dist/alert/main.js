require('../start.cjs')('alert', 'main');
