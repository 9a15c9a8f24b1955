/**
 * Keys of our own on instances. They are the one record that survives the loss of the runner, its folders
 * and its processes.
 */

/** Set before a fault is injected into the instance and removed once it is undone. */
export const drillMarkKey = 'user.pgha.drill';
/** Which formation a container belongs to, set when it is launched. */
export const formationKey = 'user.pgha.formation';
/** On the container in which a base image is made: the key of that image. */
export const bakeKey = 'user.pgha.bake';
