require('../start.cjs')('checkFormation', 'main');
