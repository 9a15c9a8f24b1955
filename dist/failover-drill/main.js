require('../start.cjs')('failoverDrill', 'main');
