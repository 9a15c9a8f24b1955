/** What the entry stubs in dist/ call; the whole product is bundled from here. */
export { acceptance } from './acceptance/main.ts';
export { checkFormation } from './check-formation/main.ts';
export { failoverDrill } from './failover-drill/main.ts';
export { failoverDrillPost } from './failover-drill/post.ts';
export { guard } from './guard.ts';
export { provisionPgaf } from './provision-pgaf/main.ts';
export { terminal } from './terminal.ts';
