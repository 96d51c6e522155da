// placeholder
package projector
