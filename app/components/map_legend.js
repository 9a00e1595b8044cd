// The place of a map's legend, beside the map: point_map.js draws into it what is clicked there.
export default function ({ parentElement }) {
  window.semblanceLegend = parentElement.querySelector(".root");
  window.dispatchEvent(new Event("semblance-legend"));
}
