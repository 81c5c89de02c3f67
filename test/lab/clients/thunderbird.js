// What a person does at Thunderbird's windows, and sees there. These run in Thunderbird itself, one call at a time,
// and none of them waits: whoever calls asks again.

const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");

const main = () => Services.wm.getMostRecentWindow("mail:3pane");
const pane = () => main()?.document.getElementById("tabmail")?.currentAbout3Pane;
const visible = (e) => Boolean(e?.checkVisibility());

// ---- the account hub, in which an account is set up ---------------------------

const hub = () => main()?.document.querySelector("account-hub-container")?.shadowRoot;

// part finds the one that can be seen of what a selector says, for each step of the hub has its own.
function part(selector) {
  if (hub()?.querySelector("account-hub-email.busy")) return undefined;
  return [...(hub()?.querySelectorAll(selector) ?? [])].find(visible);
}

const at = (step) => Boolean(part(step));

function type(field, text) {
  field.focus();
  field.value = text;
  for (const kind of ["input", "change"]) {
    field.dispatchEvent(new field.ownerDocument.defaultView.Event(kind, { bubbles: true }));
  }
}

// complete fills in the fields of a step, by their ids, and goes on. It does so at once, for a step that has just
// come clears its fields.
function complete(step, values) {
  const fields = Object.keys(values).map((id) => part("#" + id));
  if (!at(step) || fields.some((f) => !f || f.disabled)) return false;
  fields.forEach((f) => type(f, values[f.id]));
  const button = part("#forward");
  if (!button || button.disabled) return false;
  button.click();
  return true;
}

const words = (element) => (element?.textContent ?? "").trim().replace(/\s+/g, " ");

const settings = () => ["incomingType", "incomingHost", "incomingPort", "outgoingType", "outgoingHost", "outgoingPort"]
  .map((id) => words(hub().querySelector("#" + id)));

// refusal is what the present step complains of.
function refusal() {
  const header = part(".account-hub-step")?.shadowRoot?.querySelector("account-hub-header");
  const note = header?.shadowRoot.querySelector("#emailFormNotification.error");
  return visible(note) ? words(note) : "";
}

function prepare() {
  // Names of domains are asked for past the proxy: for other ways to find settings, for calendars, for address books.
  ChromeUtils.importESModule("resource:///modules/DNS.sys.mjs").DNS.lookup = async () => [];
  // The remote control has switched this off.
  Services.prefs.setBoolPref("signon.rememberSignons", true);
}

// ---- the main window ----------------------------------------------------------

// openFolder takes the name of a kind of nsMsgFolderFlags.
function openFolder(kind) {
  const { rootFolder } = MailServices.accounts.defaultAccount.incomingServer;
  const folder = rootFolder.descendants.find((f) => f.isSpecialFolder(Ci.nsMsgFolderFlags[kind]));
  if (!folder || !pane()?.folderPane.getRowForFolder(folder.URI)) return false;
  pane().displayFolder(folder.URI);
  return true;
}

function subjects() {
  const view = pane()?.gDBView;
  return Array.from({ length: view?.rowCount ?? 0 }, (_, i) => {
    const header = view.getMsgHdrAt(i);
    return (header.flags & Ci.nsMsgMessageFlags.HasRe ? "Re: " : "") + header.mime2DecodedSubject;
  });
}

function open(subject) {
  const row = subjects().indexOf(subject);
  if (row >= 0 && pane().threadTree.selectedIndex !== row) pane().threadTree.selectedIndex = row;
}

const message = () => pane()?.messageBrowser?.contentWindow;

const shown = () => message()?.getMessagePaneBrowser()?.contentDocument?.body?.innerText ?? "";

function reply() {
  const button = message()?.document.getElementById("hdrReplyButton");
  if (!visible(button) || button.disabled) return false;
  button.click();
  return true;
}

// ---- the window in which a mail is written --------------------------------------

const compose = () => Services.wm.getMostRecentWindow("msgcompose");

// write puts a text above the quotation, once that is there.
function write(text) {
  const editor = compose()?.composeEditorReady && compose().GetCurrentEditor();
  if (!editor?.document.body.textContent.includes("wrote:")) return false;
  editor.beginningOfDocument();
  editor.insertText(text);
  return true;
}

function send() {
  const button = compose()?.document.getElementById("button-send");
  if (!button || button.disabled) return false;
  button.click();
  return true;
}

const written = () => !compose();

// windows has the title of each, and what a dialog says.
function windows() {
  return [...Services.wm.getEnumerator(null)].map((w) =>
    (w.document.title + ": " + (w.document.getElementById("infoBody")?.textContent ?? "")).trim());
}
