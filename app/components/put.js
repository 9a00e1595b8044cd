// Draws nothing: what Python selects goes into the selection of this tab.
export default function ({ data }) {
  selection.put(data);
}
