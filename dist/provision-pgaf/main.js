require('../start.cjs')('provisionPgaf', 'main');
