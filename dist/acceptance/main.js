require('../start.cjs')('acceptance', 'main');
