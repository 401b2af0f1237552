// Swagger UI with what this gateway tells of itself. Nothing is asked of other hosts: its validator is one.

document.addEventListener("DOMContentLoaded", () => {
  SwaggerUIBundle({
    url: "/openapi.json",
    dom_id: "#swagger",
    validatorUrl: null,
    deepLinking: true,
    docExpansion: "none", // hundreds of operations take a browser seconds
    persistAuthorization: false, // a token is not for the browser's storage
    presets: [SwaggerUIBundle.presets.apis],
    layout: "BaseLayout",
  });
});
