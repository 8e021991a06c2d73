/** Numbers, times and sentences as people read them. Pure: no page, no network, no clock of its own. */

const NUMBER = new Intl.NumberFormat("en-US");
// A number of that many digits is hard to read without separators; only a count is touched, never an id or a path.
const COUNT = /\b\d{4,}(?= (?:characters|bytes|pixels|images|calls|times|seconds|are|is|were)\b)/g;
const NO_CHARGE = /[;,.]?\s*\bnothing\b[^;.]*\b(?:charged|spent|reserved|changed|written)\b\.?$/i;

/** 12345 → "12,345" */
export function number(value) {
  return NUMBER.format(value);
}

/** The same for every count within a text of the API. */
export function grouped(text) {
  return text.replace(COUNT, (digits) => number(Number(digits)));
}

/** "1 image", "16 images" */
export function counted(count, one, many = `${one}s`) {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/** A text of the API without its closing remark that nothing was charged: the page says so in a place of its own. */
export function withoutCharge(text) {
  return text.replace(NO_CHARGE, "").trim();
}

/** Names for a message: the first few, and how many more. */
export function listed(names, most = 3) {
  const more = names.length - most;
  return more > 0 ? `${names.slice(0, most).join(", ")} and ${number(more)} more` : names.join(", ");
}

/** Seconds as people say them: "8 s", "2 min", "1 min 30 s". */
export function duration(seconds) {
  const whole = Math.max(1, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const rest = whole % 60;
  return `${number(Math.floor(whole / 60))} min${rest ? ` ${rest} s` : ""}`;
}

/**
 * A moment on this device's clock: "01:00" today, "Sunday at 01:00" within a week, else with its date.
 * @param {Date} at
 * @param {Date} now
 * @param {{locale?: string, timeZone?: string}} [place] the browser's own unless given
 */
export function moment(at, now, { locale = "en-GB", timeZone } = {}) {
  const say = (options, date) => new Intl.DateTimeFormat(locale, { timeZone, ...options }).format(date);
  const day = (date) => say({ year: "numeric", month: "2-digit", day: "2-digit" }, date);
  const time = say({ hour: "2-digit", minute: "2-digit" }, at);
  if (day(at) === day(now)) return `today at ${time}`;
  const days = (at.getTime() - now.getTime()) / 86_400_000;
  const date = days > 0 && days < 6 ? say({ weekday: "long" }, at) : say({ day: "numeric", month: "long", year: "numeric" }, at);
  return `${date} at ${time}`;
}
