require('../start.cjs')('guard', 'guard');
