"""The catalogue's renderer: `marcher.render(scene, size)` draws solids that `products.product` makes."""
