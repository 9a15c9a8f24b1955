require('../start.cjs')('failoverDrillPost', 'post');
