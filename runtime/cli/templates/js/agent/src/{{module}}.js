// The logic: plain functions that call nothing of the host, so that `npm test` can run them.

/** What a person is asked. */
export const title = ({ item, amount }) => `Refund ${amount.toFixed(2)} EUR for the ${item}?`;
