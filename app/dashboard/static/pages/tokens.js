// Tokens, and what users may use over all of theirs. Its parts talk by events on the window.

import "./tokens/list.js";
import "./tokens/detail.js";
import "./tokens/form.js";
import "./tokens/issued.js";
import "./tokens/users.js";
