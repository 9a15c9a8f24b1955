/**
 * Keys of our own on instances. They are the one record that survives the loss of the runner, its folders
 * and its processes.
 */

/** Set before a fault is injected into the instance and removed once it is undone. */
export const drillMarkKey = 'user.pgha.drill';
/** On a project or a monitor, by a person: while it is there no drill begins. Its value is the reason. */
export const holdKey = 'user.pgha.hold';
/** Which formation a container belongs to, set when it is launched. */
export const formationKey = 'user.pgha.formation';
/** On the container in which a base image is made: the key of that image. */
export const bakeKey = 'user.pgha.bake';
/** On a formation's containers: the environment that its file named when it was last provisioned. */
export const environmentKey = 'user.pgha.environment';
/** On a monitor that is being deleted: since when, and for whom, it is known that nobody else is registered on it. */
export const destroyKey = 'user.pgha.destroy';
/** On a container that the doctor made to look at, and removes again: which of its runs that was. */
export const doctorKey = 'user.pgha.doctor';
