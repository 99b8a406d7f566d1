// The client and the element, in one module: a page that imports this one gets all of one version.

export * from "./ai-config-client.js";
export { addMessages } from "./ai-config-language.js";
export { AIConfigSettings } from "./ai-config-settings.js";

// All at once, so that the browser does not find them one after the other.
import "./ai-config-combobox.js";
import "./ai-config-conflict.js";
import "./ai-config-connection.js";
import "./ai-config-credentials.js";
import "./ai-config-dom.js";
import "./ai-config-drag.js";
import "./ai-config-draft.js";
import "./ai-config-entry.js";
import "./ai-config-error.js";
import "./ai-config-key-view.js";
import "./ai-config-key.js";
import "./ai-config-list.js";
import "./ai-config-login.js";
import "./ai-config-merge.js";
import "./ai-config-messages.js";
import "./ai-config-notice.js";
import "./ai-config-operations.js";
import "./ai-config-offer.js";
import "./ai-config-options.js";
import "./ai-config-paste.js";
import "./ai-config-seal.js";
import "./ai-config-secret.js";
import "./ai-config-stored.js";
import "./ai-config-submission.js";
import "./ai-config-transfer-view.js";
import "./ai-config-transfer.js";
import "./ai-config-undo.js";
import "./ai-config-view.js";
import "./ai-config-violations.js";
